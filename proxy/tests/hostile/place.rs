//! Threads that live in a network namespace.

use std::{fs::File, os::fd::AsFd as _, path::Path, thread};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::namespace::Namespace;

/// Where a thread's sockets are.
#[derive(Debug, Clone)]
pub struct Place(String);

impl Place {
    pub fn of(namespace: &Namespace) -> Self {
        Self(namespace.name().to_owned())
    }

    /// Starts a thread there.
    pub fn spawn<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let Self(name) = self.clone();
        thread::spawn(move || {
            let file = File::open(Path::new("/run/netns").join(name)).unwrap();
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(file.as_fd(), kind).unwrap();
            run()
        })
    }

    /// Runs something there, and waits for it.
    pub fn run<T: Send + 'static>(&self, run: impl FnOnce() -> T + Send + 'static) -> T {
        self.spawn(run)
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
