//! Durations and byte sizes as Kubernetes and Go write them.

use std::time::Duration;

/// A duration as Go writes it: `2s`, `1m30s`, `1.5h`, `250ms`. `None`: it is not one, or it is negative or out of range.
pub fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() {
        return None;
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let (number, after) = split_where(rest, |c| !(c.is_ascii_digit() || c == '.'));
        let (unit, after) = split_where(after, |c| c.is_ascii_digit() || c == '.');
        let seconds = number.parse::<f64>().ok()? * seconds_of(unit)?;
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = after;
    }
    Some(total)
}

/// A number of bytes: plain, or with `Ki`, `Mi`, `Gi`, `k`, `M`, `G`. `None`: it is not one, or out of range.
pub fn bytes(text: &str) -> Option<usize> {
    let (number, unit) = split_where(text, |c| !c.is_ascii_digit());
    let unit = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

fn seconds_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

fn split_where(text: &str, at: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(at).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_as_go_writes_them() {
        let read = ["0", "2s", "500ms", "1m30s", "1.5h", "10µs"].map(|text| duration(text).unwrap());
        let millis = [0.0, 2000.0, 500.0, 90_000.0, 5_400_000.0, 0.01];
        assert_eq!(read.map(|duration| duration.as_secs_f64() * 1000.0), millis);
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in ["", "2", "s", "-2s", "2 s", "2sec", "1e3s", "1..5s", "99999999999999999999h", "NaNs", "5s."] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn reads_bytes() {
        assert_eq!(
            ["0", "512", "512Ki", "16Mi", "1Gi", "2k", "3M"].map(bytes),
            [Some(0), Some(512), Some(512 << 10), Some(16 << 20), Some(1 << 30), Some(2000), Some(3_000_000),]
        );
        for text in ["", "Mi", "-1", "1.5Mi", "16MiB", "16 Mi", "99999999999999999999", "99999999999999Gi"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
