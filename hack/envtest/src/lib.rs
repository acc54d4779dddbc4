//! A real etcd, kube-apiserver and kube-controller-manager for tests.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use pillion_envtest::ControlPlane;
//!
//! let plane = ControlPlane::shared().await?;
//! let namespace = plane.namespace("shop", &[("istio-injection", "enabled")]).await?;
//! let output = plane.tool("kubectl")?.args(["-n", &namespace, "get", "pods"]).output().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The control plane stops when the process that started it ends, however that ends: a
//! supervisor reads from a pipe, and stops everything at end of file.

pub mod chart;
mod pki;
mod plane;
mod ports;
mod supervisor;
mod tools;

pub use plane::ControlPlane;
pub use ports::free_port;
pub use tools::tools_folder;
