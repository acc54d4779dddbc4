//! Large manifests for the commands.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};

use crate::{
    annotations, large, records,
    text::{list, nested, repeated},
};

/// The maximum size of a manifest, as a power of two. The commands accept larger ones.
const MOST: u32 = 18;

/// Generates a manifest from bytes. After the last byte, zeroes are used.
#[must_use]
pub fn manifest(bytes: &[u8]) -> String {
    fill(&mut Unstructured::new(bytes)).unwrap_or_default()
}

fn fill(bytes: &mut Unstructured<'_>) -> Result<String> {
    let budget = 1 << bytes.int_in_range(3..=MOST)?;
    Ok(match bytes.int_in_range(0..=11)? {
        0 => repeated("---\n", budget),
        1 => repeated("a: 1\n---\n", budget),
        2 => repeated("# a\n", budget),
        3 => repeated("\n...\n", budget),
        4 => format!("{}a: [\n", repeated("a: 1\n---\n", budget)),
        // An error near the end, so that its line must be counted.
        5 => format!("{}a: 1\na: 2\n", repeated("---\n", budget)),
        6 => format!(
            r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#,
            list(budget, |text, number| {
                let _ = write!(
                    text,
                    r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p{number}"}},"spec":{{"containers":[]}}}}"#
                );
            })
        ),
        7 => nested(
            bytes.int_in_range(1..=120)?,
            r#"{"apiVersion":"v1","kind":"List","items":["#,
            "",
            "]}",
        ),
        8 => {
            let pod = large::pod(rest(bytes));
            format!(
                r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"d"}},"spec":{{"template":{pod}}}}}"#
            )
        }
        9 => {
            let pod = records::pod(rest(bytes));
            format!(
                r#"{{"apiVersion":"batch/v1","kind":"CronJob","spec":{{"jobTemplate":{{"spec":{{"template":{pod}}}}}}}}}"#
            )
        }
        _ => {
            let shape = usize::from(bytes.arbitrary::<u8>()?);
            annotations::SHAPES[shape % annotations::SHAPES.len()](budget)
        }
    })
}

/// Returns the remaining bytes.
fn rest<'a>(bytes: &mut Unstructured<'a>) -> &'a [u8] {
    bytes.bytes(bytes.len()).unwrap_or_default()
}
