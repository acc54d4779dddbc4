//! Mutual TLS between two sidecars, each of which is ours or a stock Envoy: all four pairs must do the same as two Envoys.
//!
//! The pairs are started once for all cases. Both of a pair follow discovery, which issues certificates by a CA of this run: ours
//! ask it for them, and Envoy has them from a server of secrets, as Istio's agent is one (`sds.rs`). A case is a file in
//! `mutual/cases/`, in the format of scenarios; what is in the mesh of all of them is in `mesh.rs`. `MUTUAL=PART` runs those whose names have
//! that part.

mod ca;
mod hello;
mod mesh;
mod run;
mod sds;
mod spiffe;
mod stranger;
mod world;

pub use run::all;
pub use spiffe::all as spiffe;
