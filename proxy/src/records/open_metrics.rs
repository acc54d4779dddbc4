//! What every metric of the records begins with, as OpenMetrics text.

use std::fmt::Write as _;

/// Appends a counter without labels.
pub(super) fn write_total(name: &str, help: &str, value: u64, text: &mut String) {
    write_head(name, help, "counter", text);
    // A String takes every write.
    let _ = writeln!(text, "{name}_total {value}");
}

/// Appends what stands before the values of a metric.
pub(super) fn write_head(name: &str, help: &str, kind: &str, text: &mut String) {
    text.extend(["# HELP ", name, " "]);
    for character in help.chars() {
        match character {
            '"' => text.push_str("\\\""),
            other => text.push(other),
        }
    }
    text.extend([".\n# TYPE ", name, " ", kind, "\n"]);
}
