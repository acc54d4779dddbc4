//! The chart, rendered by a real helm.

mod config;
mod objects;
mod render;
