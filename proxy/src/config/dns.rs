//! Names of endpoints, by DNS.

mod asker;
mod question;
mod resolver;
mod share;

pub(crate) use self::{
    asker::{Answer, Asker},
    question::Question,
    resolver::Servers,
    share::{MOST, share},
};
