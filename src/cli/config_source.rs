//! Where a command gets the injector's configuration: from files, from the built-in
//! defaults, or from the ConfigMaps of a cluster.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, config::KubeConfigOptions};

use pillion_inject::{Config, Sources};

use crate::flags;

/// Flags that select the cluster.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ConnectArgs {
    /// The kubeconfig file [default: $KUBECONFIG, or else ~/.kube/config].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig context to use.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Flags that select the cluster and the injector in it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The namespace that Pillion is installed in.
    #[arg(
        short = 'i',
        long = "istioNamespace",
        value_name = "NAMESPACE",
        default_value = "istio-system"
    )]
    pub istio_namespace: String,
    /// The revision of the injector.
    #[arg(long, value_name = "REVISION", default_value = "")]
    pub revision: String,
}

impl ConnectArgs {
    /// Connects to the cluster.
    pub async fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::try_from(self.config().await?)?)
    }

    /// Returns the namespace of the kubeconfig's context.
    pub async fn default_namespace(&self) -> anyhow::Result<String> {
        Ok(self.config().await?.default_namespace)
    }

    async fn config(&self) -> anyhow::Result<kube::Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = match &self.kubeconfig {
            Some(file) => {
                let kubeconfig = kube::config::Kubeconfig::read_from(file)?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?
            }
            None if self.context.is_some() => kube::Config::from_kubeconfig(&options).await?,
            None => kube::Config::infer().await?,
        };
        Ok(config)
    }
}

impl ClusterArgs {
    /// Connects to the cluster.
    pub async fn client(&self) -> anyhow::Result<Client> {
        self.connect.client().await
    }

    /// Returns the namespace of the kubeconfig's context.
    pub async fn default_namespace(&self) -> anyhow::Result<String> {
        self.connect.default_namespace().await
    }

    /// Appends the revision to a ConfigMap's name.
    fn revisioned(&self, name: &str) -> String {
        flags::revisioned(name, flags::revision(&self.revision))
    }
}

/// Flags that select the configuration.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Configuration")]
pub(super) struct ConfigArgs {
    /// Use the built-in configuration with native sidecars, instead of ConfigMaps.
    #[arg(long, conflicts_with_all = ["inject_config_file", "mesh_config_file", "values_file", "revision", "istio_namespace"])]
    defaults: bool,
    /// A file with the value of the key `config` of the ConfigMap istio-sidecar-injector.
    #[arg(long = "injectConfigFile", value_name = "FILE")]
    inject_config_file: Option<PathBuf>,
    /// A file with the value of the key `mesh` of the ConfigMap istio.
    #[arg(long = "meshConfigFile", value_name = "FILE")]
    mesh_config_file: Option<PathBuf>,
    /// A file with the value of the key `values` of the ConfigMap istio-sidecar-injector.
    #[arg(long = "valuesFile", value_name = "FILE")]
    values_file: Option<PathBuf>,
    /// The ConfigMap with the keys `config` and `values`; the revision is appended to its name.
    #[arg(
        long = "injectConfigMapName",
        value_name = "NAME",
        default_value = "istio-sidecar-injector"
    )]
    inject_config_map_name: String,
    /// The ConfigMap with the key `mesh`; the revision is appended to its name.
    #[arg(
        long = "meshConfigMapName",
        value_name = "NAME",
        default_value = "istio"
    )]
    mesh_config_map_name: String,
}

/// A configuration, and whether `nativeSidecars: auto` means native sidecars.
#[derive(Debug)]
pub(super) struct Loaded {
    pub config: Config,
    pub native_sidecars: bool,
}

impl ConfigArgs {
    /// Whether the configuration has to be read from the cluster.
    pub fn needs_cluster(&self) -> bool {
        let all_files = self.inject_config_file.is_some()
            && self.mesh_config_file.is_some()
            && self.values_file.is_some();
        !self.defaults && !all_files
    }

    /// Loads the configuration. Parts without a file are read from the cluster.
    pub async fn load(&self, cluster: &ClusterArgs) -> anyhow::Result<Loaded> {
        if self.defaults {
            return Ok(Loaded {
                config: Config::builtin()?,
                native_sidecars: true,
            });
        }
        let mut config = read(self.inject_config_file.as_ref())?;
        let mut values = read(self.values_file.as_ref())?;
        let mut mesh = read(self.mesh_config_file.as_ref())?;
        // Without a cluster, assume native sidecars: every supported Kubernetes has them.
        let mut native_sidecars = true;
        if self.needs_cluster() {
            let client = cluster.client().await.context(
                "cannot connect to the cluster to read the injector's configuration; to work without a cluster, use \
                 --defaults, or --injectConfigFile, --valuesFile and --meshConfigFile",
            )?;
            let api = Api::namespaced(client.clone(), &cluster.istio_namespace);
            if config.is_none() || values.is_none() {
                let mut data =
                    data(&api, &cluster.revisioned(&self.inject_config_map_name)).await?;
                config = config.or_else(|| data.remove("config"));
                values = values.or_else(|| data.remove("values"));
            }
            if mesh.is_none() {
                mesh = data(&api, &cluster.revisioned(&self.mesh_config_map_name))
                    .await?
                    .remove("mesh");
            }
            native_sidecars = crate::cluster::cluster_has_native_sidecars(&client)
                .await
                .context(
                    "cannot determine from the nodes whether the cluster supports native sidecars; this requires \
                     permission to list nodes",
                )?;
        }
        let Some(config) = config else {
            bail!(
                "the ConfigMap {:?} has no key config",
                self.inject_config_map_name
            );
        };
        let config = Config::parse(&Sources {
            config: &config,
            values: &values.unwrap_or_default(),
            mesh: &mesh.unwrap_or_default(),
        })
        .context("the injector's configuration is invalid")?;
        Ok(Loaded {
            config,
            native_sidecars,
        })
    }
}

fn read(file: Option<&PathBuf>) -> anyhow::Result<Option<String>> {
    file.map(|file| {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    })
    .transpose()
}

async fn data(api: &Api<ConfigMap>, name: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let found = api
        .get_opt(name)
        .await
        .with_context(|| format!("cannot read the ConfigMap {name:?}"))?;
    let Some(map) = found else {
        bail!(
            "ConfigMap {name:?} not found in namespace {:?}; is Pillion installed there? Use --istioNamespace and \
             --revision to select another installation, or --defaults to use the built-in configuration",
            api.namespace().unwrap_or_default()
        );
    };
    Ok(map.data.unwrap_or_default())
}
