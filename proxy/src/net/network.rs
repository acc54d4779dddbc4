//! The servers that are played: connections to them are in memory.

use std::cell::RefCell;

use super::memory::{End, Player, Taking, pair};

thread_local! {
    static NETWORK: RefCell<Option<(Taking, Vec<Player>)>> = const { RefCell::new(None) };
}

/// While it is there, all connections that this thread makes are played.
#[derive(Debug)]
pub(crate) struct Network(());

impl Network {
    /// Has everybody take what is sent to them in this way.
    pub fn new(taking: Taking) -> Self {
        NETWORK.with_borrow_mut(|network| *network = Some((taking, Vec::new())));
        Self(())
    }

    /// The other end of a connection that the proxy has made, by its number.
    pub fn server(&self, number: usize) -> Option<Player> {
        NETWORK.with_borrow(|network| network.as_ref()?.1.get(number).cloned())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        NETWORK.with_borrow_mut(Option::take);
    }
}

/// A connection to a server that is played; `None` where none is.
pub(super) fn connect() -> Option<End> {
    NETWORK.with_borrow_mut(|network| {
        let (taking, servers) = network.as_mut()?;
        let (end, player) = pair(*taking);
        servers.push(player);
        Some(end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_other_ends() {
        let taking = Taking {
            most: 2,
            hesitates: true,
        };
        assert!(connect().is_none());
        let network = Network::new(taking);
        assert!(network.server(0).is_none());
        assert!(connect().is_some());
        assert!(network.server(0).is_some() && network.server(1).is_none());
        drop(network);
        assert!(connect().is_none());
    }
}
