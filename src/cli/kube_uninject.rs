//! `pillion kube-uninject`.

use std::{path::PathBuf, process::ExitCode};

use serde_json::Value;

use super::{
    manifest::{self, Edit},
    output,
    workload::{self, PodPath},
};
use crate::inject;

const EXAMPLES: &str = "\
Examples:
  pillion kube-uninject -f injected.yaml -o bookinfo.yaml
  kubectl get deployment productpage-v1 -o yaml | pillion kube-uninject -f - | kubectl apply -f -

Takes back what `pillion kube-inject`, `istioctl kube-inject` or a webhook added. Everything else comes out
as it went in. No cluster is needed.";

/// Arguments of `pillion kube-uninject`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The manifest; - is standard input. May be given more than once.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<String>,
    /// Where to write the result [default: standard output].
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut text = String::new();
        for file in &self.files {
            let source = manifest::read(file)?;
            let edited = manifest::edit(file, &source, &mut uninject_object)?;
            for note in &edited.notes {
                eprintln!("{file}: {note}");
            }
            text.push_str(&edited.text);
        }
        output::write(self.output.as_deref(), &text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn uninject_object(path: PodPath, object: &mut Value) -> anyhow::Result<Edit> {
    let name = workload::describe(object, workload::namespace(object, "default"));
    let Some(pod) = path.pod_mut(object) else {
        anyhow::bail!("{name} has no pod template");
    };
    match inject::uninject(pod) {
        Ok(Some(original)) => {
            *pod = original;
            Ok(Edit::Changed)
        }
        Ok(None) => Ok(Edit::Unchanged(Some(format!("{name} is not injected")))),
        Err(refusal) => Err(anyhow::anyhow!("{name}: {refusal}")),
    }
}
