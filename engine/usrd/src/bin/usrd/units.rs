//! Sizes and durations, as they are typed and as they are shown.

use std::time::Duration;

/// Reads a size: `64`, `4K`, `4KiB`, `1M`, `64MiB`, `1G`. All prefixes are binary.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text[digits.len()..].trim().to_ascii_lowercase();
    let factor = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err(format!("`{text}` is not a size; use 64, 4K, 1MiB and the like")),
    };
    let number: usize =
        digits.parse().map_err(|_| format!("`{text}` is not a size; use 64, 4K, 1MiB"))?;
    number
        .checked_mul(factor)
        .filter(|&bytes| bytes <= MAX_SIZE_BYTES)
        .ok_or_else(|| format!("`{text}` is more than 1 GiB"))
}

/// Reads a duration: `2` and `2s` are seconds, `250ms` milliseconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, factor) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.trim().parse::<f64>().unwrap_or(f64::NAN) * factor;
    if (MIN_SECONDS..=MAX_SECONDS).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(format!("`{text}` is not a duration from 1ms to 1 hour; use 2, 1.5s or 250ms"))
}

/// Reads a probability.
pub(crate) fn parse_probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(p) if (0.0..=1.0).contains(&p) => Ok(p),
        _ => Err(format!("`{text}` is not a probability from 0 to 1; 1 % is 0.01")),
    }
}

/// A size with the largest binary prefix that leaves no fraction.
pub(crate) fn show_size(bytes: usize) -> String {
    let prefixes = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match prefixes.into_iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} B"),
    }
}

/// What the protocol is made for, and what fits into memory several times.
const MAX_SIZE_BYTES: usize = 1 << 30;
/// Below, a run is all beginning and end.
const MIN_SECONDS: f64 = 1e-3;
/// Longer runs are better repeated.
const MAX_SECONDS: f64 = 3600.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes, shown) in [
            ("0", 0, "0 B"),
            ("64", 64, "64 B"),
            ("64B", 64, "64 B"),
            ("4K", 4096, "4 KiB"),
            ("4 KiB", 4096, "4 KiB"),
            ("1mb", 1 << 20, "1 MiB"),
            ("1GiB", 1 << 30, "1 GiB"),
            ("1000", 1000, "1000 B"),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(show_size(bytes), shown);
        }
        for text in ["", "K", "-1", "1T", "1.5M", "2G", "99999999999999999999"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(parse_duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "0", "-1", "nan", "inf", "1h", "1e9"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn probabilities_are_read() {
        assert_eq!(parse_probability("0.01"), Ok(0.01));
        for text in ["1.1", "-0.1", "nan", "1%", ""] {
            assert!(parse_probability(text).is_err(), "{text}");
        }
    }
}
