//! Instructions as callgrind counts them, and whose source lines they belong to.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// Runs a program under callgrind and returns the profile, which also stays at `profile`.
pub fn profile(program: &Path, args: &[&str], profile: &Path) -> Result<String, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args(args)
        .output()
        .map_err(|error| format!("valgrind cannot be run ({error}); install it"))?;
    if !output.status.success() {
        return Err(format!("the run failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    std::fs::read_to_string(profile).map_err(|error| error.to_string())
}

/// All instructions of a profile.
pub fn total(profile: &str) -> Result<u64, String> {
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).ok_or_else(|| "no totals".to_owned())
}

/// Sums up the instructions of those lines that `chosen` picks by their source file and by the
/// function they ended up in.
///
/// In callgrind's format a file or function is named in full once and by its number from then on; a
/// cost line is a position and a count, and the one after a `calls=` is what the callee cost, which
/// is counted there.
pub fn count(profile: &str, chosen: impl Fn(&str, &str) -> bool) -> u64 {
    let (mut files, mut functions) = (Names::default(), Names::default());
    let (mut file, mut function) = (String::new(), String::new());
    let (mut counts, mut callee, mut sum) = (false, false, 0);
    for line in profile.lines() {
        if let Some(name) = after(line, &["fl=", "fi=", "fe="]) {
            files.resolve(name).clone_into(&mut file);
            counts = chosen(&file, &function);
        } else if let Some(name) = after(line, &["cfi=", "cfl="]) {
            files.resolve(name);
        } else if let Some(name) = line.strip_prefix("fn=") {
            functions.resolve(name).clone_into(&mut function);
            counts = chosen(&file, &function);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            functions.resolve(name);
        } else if line.starts_with("calls=") {
            callee = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse::<u64>().ok());
            if counts && !callee {
                sum += cost.unwrap_or(0);
            }
            callee = false;
        }
    }
    sum
}

fn after<'a>(line: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    prefixes.iter().find_map(|prefix| line.strip_prefix(prefix))
}

/// `(7) name` the first time, `(7)` from then on.
#[derive(Default)]
struct Names<'a>(HashMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    fn resolve(&mut self, text: &'a str) -> &'a str {
        match text.split_once(' ') {
            Some((number, name)) => {
                self.0.insert(number, name);
                name
            }
            None => self.0.get(text).copied().unwrap_or(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_where_they_are_and_calls_where_they_lead() {
        let profile = "\
fl=(1) a/one.rs
fn=(1) first
10 5
fi=(2) b/two.rs
+1 7
cfi=(1)
cfn=(2) second
calls=1 20
* 100
fe=(1)
12 11
fn=(2)
20 100
totals: 123
";
        assert_eq!(total(profile), Ok(123));
        assert_eq!(count(profile, |file, _| file.starts_with("a/")), 116);
        assert_eq!(count(profile, |file, _| file.starts_with("b/")), 7);
        assert_eq!(count(profile, |_, function| function == "first"), 23);
    }
}
