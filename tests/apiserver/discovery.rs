//! The built discovery service: what proxies get, by the tokens of their pods.

mod account;
mod ads;
mod ask;
mod authorities;
mod certificates;
mod forged;
mod installation;
mod mesh;
mod plugged;
mod ready;
mod root;
mod statuses;
mod streams;
mod validation;
