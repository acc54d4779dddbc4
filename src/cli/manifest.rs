//! Editing a manifest document by document.

use std::{fs, io::Read, path::PathBuf};

use anyhow::Context;
use serde_json::Value;

use super::{
    documents::{self, Document},
    output,
    workload::{self, PodPath},
};
use pillion_inject::yaml;

/// Flags for the manifests to edit, and where to write the result.
#[derive(Debug, clap::Args)]
pub(super) struct FileArgs {
    /// The manifest; - for standard input. May be given more than once.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<String>,
    /// Where to write the result [default: standard output].
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl FileArgs {
    /// Edits all manifests and writes the concatenated results, with notes on standard
    /// error.
    ///
    /// # Errors
    ///
    /// Returns an error if a file can't be read or written, or as [`edit`] does. If an
    /// edit fails, nothing is written.
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

/// What an edit did to an object.
pub(super) enum Edit {
    /// The object was changed.
    Changed,
    /// The object was not changed; the note is printed on standard error.
    Unchanged(Option<String>),
}

/// Reads a file, or standard input if the name is `-`.
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

/// Edits every workload of a manifest. Documents without a workload are kept byte for
/// byte. Every document is followed by `---`.
///
/// # Errors
///
/// Returns the errors of all edits that failed, each with its document's number.
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
    /// Messages for the user.
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
    let mut object = document.parse().context("invalid YAML")?;
    if edit_object(&mut object, edit, notes)? {
        Ok(yaml::to_string(&object)?)
    } else {
        Ok(document.text.to_owned())
    }
}

/// Edits an object, or each item of a List. Returns whether anything changed.
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
                "{name} has a pod template, but its kind is not supported; it is left unchanged"
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
