//! A manifest edited document by document.

use std::{fs, io::Read, path::PathBuf};

use anyhow::Context;
use serde_json::Value;

use super::{
    documents::{self, Document},
    output,
    workload::{self, PodPath},
};
use pillion_inject::yaml;

/// Which manifests, and where their edited forms go.
#[derive(Debug, clap::Args)]
pub(super) struct FileArgs {
    /// The manifest; - is standard input. May be given more than once.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<String>,
    /// Where to write the result [default: standard output].
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl FileArgs {
    /// Edits all of the manifests and writes the results one behind the other,
    /// with notes on standard error.
    ///
    /// # Errors
    ///
    /// As [`edit`]; nothing is written then.
    pub fn edit(
        &self,
        edit_object: &mut dyn FnMut(PodPath, &mut Value) -> anyhow::Result<Edit>,
    ) -> anyhow::Result<()> {
        let mut text = String::new();
        for file in &self.files {
            let edited = edit(file, &read(file)?, edit_object)?;
            for note in &edited.notes {
                output::note(&format!("{file}: {note}"));
            }
            text.push_str(&edited.text);
        }
        output::write(self.output.as_deref(), &text)
    }
}

/// What an edit did to one object.
pub(super) enum Edit {
    /// It was changed.
    Changed,
    /// It stays as it is; the note is for standard error.
    Unchanged(Option<String>),
}

/// Reads a file, or standard input for `-`.
pub(super) fn read(file: &str) -> anyhow::Result<String> {
    if file == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        return Ok(text);
    }
    fs::read_to_string(file).with_context(|| format!("cannot read {file}"))
}

/// Edits every workload of a manifest. Documents without one come out byte for
/// byte. Every document is followed by `---`.
///
/// # Errors
///
/// All of the edits that failed, each with its document; the others are not lost
/// to the reader, for nothing is written then.
pub(super) fn edit(
    file: &str,
    text: &str,
    edit: &mut dyn FnMut(PodPath, &mut Value) -> anyhow::Result<Edit>,
) -> anyhow::Result<Edited> {
    let mut edited = Edited::default();
    let mut failures = Vec::new();
    for (index, document) in documents::split(text).into_iter().enumerate() {
        match edit_document(document, edit, &mut edited.notes) {
            Ok(text) => {
                edited.text.push_str(&text);
                if !text.ends_with('\n') {
                    edited.text.push('\n');
                }
                edited.text.push_str("---\n");
            }
            Err(error) => failures.push(format!("{file}: document {}: {error:#}", index + 1)),
        }
    }
    if failures.is_empty() {
        Ok(edited)
    } else {
        Err(anyhow::anyhow!(failures.join("\nerror: ")))
    }
}

/// An edited manifest.
#[derive(Debug, Default)]
pub(super) struct Edited {
    /// The manifest.
    pub text: String,
    /// What the user should know.
    notes: Vec<String>,
}

fn edit_document(
    document: Document<'_>,
    edit: &mut dyn FnMut(PodPath, &mut Value) -> anyhow::Result<Edit>,
    notes: &mut Vec<String>,
) -> anyhow::Result<String> {
    if documents::is_comment(document.text) {
        return Ok(document.text.to_owned());
    }
    let mut object = document.parse().context("this is not YAML")?;
    if edit_object(&mut object, edit, notes)? {
        Ok(yaml::to_string(&object)?)
    } else {
        Ok(document.text.to_owned())
    }
}

/// Whether anything changed. The items of a List are edited one by one.
fn edit_object(
    object: &mut Value,
    edit: &mut dyn FnMut(PodPath, &mut Value) -> anyhow::Result<Edit>,
    notes: &mut Vec<String>,
) -> anyhow::Result<bool> {
    if let Some(items) = workload::items_mut(object) {
        let mut changed = false;
        for item in items {
            changed |= edit_object(item, edit, notes)?;
        }
        return Ok(changed);
    }
    let Some(path) = PodPath::of(object) else {
        if workload::has_pod_template(object) {
            let name = workload::describe(object, workload::namespace(object, "default"));
            notes.push(format!(
                "{name} is of a kind that is not known here; it is passed through as it is"
            ));
        }
        return Ok(false);
    };
    match edit(path, object)? {
        Edit::Changed => Ok(true),
        Edit::Unchanged(note) => {
            notes.extend(note);
            Ok(false)
        }
    }
}
