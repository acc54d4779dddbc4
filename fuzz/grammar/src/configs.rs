//! Large configurations: the keys of the ConfigMaps.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};

use crate::{
    annotations,
    text::{list, nested, repeated},
};

/// The maximum size of a ConfigMap.
pub const MOST: usize = 1024 * 1024;

/// The values of the three keys. An empty one stands for the built-in default.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The key `config`.
    pub config: String,
    /// The key `values`.
    pub values: String,
    /// The key `mesh`.
    pub mesh: String,
}

/// Generates a configuration from bytes. After the last byte, zeroes are used.
#[must_use]
pub fn keys(bytes: &[u8]) -> Keys {
    fill(&mut Unstructured::new(bytes)).unwrap_or_default()
}

fn fill(bytes: &mut Unstructured<'_>) -> Result<Keys> {
    let mut keys = Keys::default();
    let budget = (1_usize << bytes.int_in_range(4..=20)?).min(MOST - 1024);
    match bytes.int_in_range(0..=2)? {
        0 => keys.config = config(budget, bytes)?,
        1 => keys.values = values(budget, bytes)?,
        _ => keys.mesh = mesh(budget, bytes)?,
    }
    Ok(keys)
}

fn config(budget: usize, bytes: &mut Unstructured<'_>) -> Result<String> {
    let sidecar = r#""templates":{"sidecar":{}}"#;
    Ok(match bytes.int_in_range(0..=8)? {
        0 => format!(
            r#"{{"templates":{{"sidecar":{{}},{}}}}}"#,
            list(budget, |text, number| {
                let _ = write!(text, r#""t{number}":{{}}"#);
            })
        ),
        1 => format!(
            r#"{{"templates":{{"sidecar":{{}},{}}}}}"#,
            list(budget, |text, number| {
                let _ = write!(text, r#""t{number}":"bad""#);
            })
        ),
        2 => format!(
            r#"{{{sidecar},"aliases":{{"a":[{}]}}}}"#,
            list(budget, |text, _| text.push_str(r#""sidecar""#))
        ),
        3 => format!(
            r#"{{{sidecar},"defaultTemplates":[{}]}}"#,
            list(budget, |text, number| {
                let _ = write!(text, r#""d{number}""#);
            })
        ),
        4 => {
            let expression = *bytes.choose(&["a", "In", "NotIn", "Exists"])?;
            format!(
                r#"{{{sidecar},"alwaysInjectSelector":[{}]}}"#,
                list(budget, |text, number| {
                    let _ = write!(
                        text,
                        r#"{{"matchExpressions":[{{"key":"k{number}","operator":"{expression}","values":["v"]}}]}}"#
                    );
                })
            )
        }
        5 => format!(
            r#"{{{sidecar},"injectedAnnotations":{{{}}}}}"#,
            list(budget, |text, number| {
                let _ = write!(text, r#""example.com/{number}":"v""#);
            })
        ),
        6 => format!(r#"{{{sidecar},"unknown":{}}}"#, text(budget, bytes)?),
        7 => format!(
            r#"{{"templates":{{"sidecar":{{"spec":{{"containers":[{}]}}}}}}}}"#,
            list(budget, |text, number| {
                let _ = write!(
                    text,
                    r#"{{"name":"c{number}","image":"{{{{ proxy.image }}}}"}}"#
                );
            })
        ),
        _ => text(budget, bytes)?,
    })
}

fn values(budget: usize, bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(match bytes.int_in_range(0..=3)? {
        0 => format!(r#"{{"global":{{"x":{}}}}}"#, text(budget, bytes)?),
        1 => format!(
            r#"{{"global":{{"imagePullSecrets":[{}]}}}}"#,
            list(budget, |text, _| text.push_str(r#""s""#))
        ),
        2 => format!(
            r#"{{{}}}"#,
            list(budget, |text, number| {
                let _ = write!(text, r#""k{number}":null"#);
            })
        ),
        _ => text(budget, bytes)?,
    })
}

fn mesh(budget: usize, bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(match bytes.int_in_range(0..=2)? {
        0 => format!("defaultConfig: {}", annotations::proxy_metadata(budget / 8)),
        1 => format!(
            r#"{{"defaultConfig":{{{}}}}}"#,
            list(budget, |text, number| {
                let _ = write!(text, r#""f{number}":0"#);
            })
        ),
        _ => text(budget, bytes)?,
    })
}

/// Generates YAML in any format.
fn text(budget: usize, bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(match bytes.int_in_range(0..=3)? {
        0 => nested(budget / 8, r#"{"a":"#, "0", "}"),
        1 => repeated("a: &a [*a]\n", budget),
        2 => format!("\"{}\"", repeated(r"\x00", budget)),
        _ => {
            let shape = usize::from(bytes.arbitrary::<u8>()?);
            annotations::SHAPES[shape % annotations::SHAPES.len()](budget)
        }
    })
}
