//! A document of which only some sections were made anew.

/// `old` with the sections of `new`: each takes the place of the one with its title, or comes at the
/// end. The table of goals is merged line by line, and stays last.
pub fn update(old: &str, new: &str) -> String {
    let (head, old_sections) = sections(old);
    let (_, new_sections) = sections(new);
    let mut merged: Vec<String> = old_sections.iter().map(ToString::to_string).collect();
    for section in new_sections {
        let known = merged.iter().position(|known| title(known) == title(section));
        match known {
            Some(at) if title(section) == GOALS => merged[at] = merge_lines(&merged[at], section),
            Some(at) => merged[at] = section.to_owned(),
            None => {
                let last = merged.iter().position(|known| title(known) == GOALS);
                merged.insert(last.unwrap_or(merged.len()), section.to_owned());
            }
        }
    }
    head.to_owned() + &merged.concat()
}

/// What comes before the first section, and the sections, each with its title.
fn sections(text: &str) -> (&str, Vec<&str>) {
    let starts: Vec<usize> = text.match_indices("\n## ").map(|(at, _)| at + 1).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let head = &text[..starts.first().copied().unwrap_or(text.len())];
    (head, starts.iter().zip(ends).map(|(&start, end)| &text[start..end]).collect())
}

fn title(section: &str) -> &str {
    section.lines().next().unwrap_or_default()
}

/// Table rows with the same first cell are the same row.
fn merge_lines(old: &str, new: &str) -> String {
    let mut lines: Vec<&str> = old.lines().collect();
    for line in new.lines().filter(|line| line.starts_with("| ")) {
        let key = |line: &str| line.split(" | ").next().map(str::to_owned);
        match lines.iter().position(|known| key(known) == key(line)) {
            Some(at) => lines[at] = line,
            None => lines.push(line),
        }
    }
    lines.join("\n") + "\n"
}

const GOALS: &str = "## Against the goals";

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "# E\n\nhead\n\n## A\n\n1\n\n## B\n\n2\n\n## Against the goals\n\n\
                       | experiment | us |\n|---|---|\n| A | 1 |\n| B | 2 |\n";

    #[test]
    fn sections_are_replaced_added_and_kept() {
        assert_eq!(update(OLD, OLD), OLD);
        let new = "# E\n\nother\n\n## B\n\n3\n\n## C\n\n4\n\n## Against the goals\n\n\
                   | experiment | us |\n|---|---|\n| B | 3 |\n| C | 4 |\n";
        let expected = "# E\n\nhead\n\n## A\n\n1\n\n## B\n\n3\n\n## C\n\n4\n\n## Against the goals\n\n\
                        | experiment | us |\n|---|---|\n| A | 1 |\n| B | 3 |\n| C | 4 |\n";
        assert_eq!(update(OLD, new), expected);
        assert_eq!(update("", new), new.replacen("# E\n\nother\n\n", "", 1));
    }
}
