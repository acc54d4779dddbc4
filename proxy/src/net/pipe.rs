//! Pipes through which the kernel passes bytes from socket to socket, without a copy of them
//! (splice).
//!
//! A connection that brings bulk takes a pipe when there is something to read, and gives it back
//! when everything in it has been passed on. The list belongs to a thread, so nothing is locked.

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    task::{Context, Poll, ready},
};

use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};
use tokio::{io::Interest, net::TcpStream};

use super::sizes::{BULK, MAX_FREE_PIPES, MAX_PIPES};

thread_local! {
    static FREE: RefCell<Vec<Rc<Ends>>> = const { RefCell::new(Vec::new()) };
    static IN_USE: Cell<usize> = const { Cell::new(0) };
}

#[derive(Debug)]
struct Ends {
    reading: OwnedFd,
    writing: OwnedFd,
}

/// A pipe that goes back to its thread's list when it is dropped, unless something is left in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    ends: Rc<Ends>,
    holds: usize,
}

impl Pipe {
    /// Takes a free pipe, or makes one. There is none when the thread has too many already, or the
    /// process too many descriptors.
    pub fn take() -> Option<Self> {
        let in_use = IN_USE.get();
        if in_use >= MAX_PIPES {
            return None;
        }
        let ends = match FREE.with_borrow_mut(Vec::pop) {
            Some(ends) => ends,
            None => {
                let (reading, writing) =
                    pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
                Rc::new(Ends { reading, writing })
            }
        };
        IN_USE.set(in_use + 1);
        Some(Self { ends, holds: 0 })
    }

    /// How many bytes are in it.
    pub fn holds(&self) -> usize {
        self.holds
    }

    /// Takes what a connection has received into the empty pipe, and says how much: 0 when the other
    /// side has ended.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    pub fn poll_fill(
        &mut self,
        reader: &TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(reader.poll_read_ready(context))?;
            let fill = || pass(reader, &self.ends.writing, BULK);
            let filled = reader.try_io(Interest::READABLE, fill);
            if let Some(filled) = unless_it_would_block(filled) {
                self.holds += filled.as_ref().unwrap_or(&0);
                return Poll::Ready(filled);
            }
        }
    }

    /// Sends some of what is in the pipe, and says how much.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    pub fn poll_empty(
        &mut self,
        writer: &TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(writer.poll_write_ready(context))?;
            let send = || pass(&self.ends.reading, writer, self.holds);
            let sent = writer.try_io(Interest::WRITABLE, send);
            if let Some(sent) = unless_it_would_block(sent) {
                self.holds = self.holds.saturating_sub(*sent.as_ref().unwrap_or(&0));
                return Poll::Ready(sent);
            }
        }
    }
}

/// Passes at most so many bytes on.
fn pass(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    let passed = splice(from, None, to, None, most, SpliceFlags::NONBLOCK);
    passed.map_err(io::Error::from)
}

/// Nothing where the socket was not ready, though it was said to be: the next poll waits for it.
fn unless_it_would_block(result: io::Result<usize>) -> Option<io::Result<usize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        result => Some(result),
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // At the end of a thread the list may be gone already.
        let _ = IN_USE.try_with(|in_use| in_use.set(in_use.get().saturating_sub(1)));
        if self.holds > 0 {
            return;
        }
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < MAX_FREE_PIPES {
                free.push(Rc::clone(&self.ends));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (left, right) = tokio::join!(TcpStream::connect(address), listener.accept());
        (left.unwrap(), right.unwrap().0)
    }

    #[tokio::test]
    async fn passes_bytes_on_and_the_end() {
        let (mut client, reader) = pair().await;
        let (writer, mut server) = pair().await;
        let mut pipe = Pipe::take().unwrap();
        client.write_all(b"question").await.unwrap();
        let filled = poll_fn(|context| pipe.poll_fill(&reader, context)).await;
        assert_eq!((filled.unwrap(), pipe.holds()), (8, 8));
        let sent = poll_fn(|context| pipe.poll_empty(&writer, context)).await;
        assert_eq!((sent.unwrap(), pipe.holds()), (8, 0));
        let mut question = [0; 8];
        server.read_exact(&mut question).await.unwrap();
        assert_eq!(&question, b"question");
        drop(client);
        let end = poll_fn(|context| pipe.poll_fill(&reader, context)).await;
        assert_eq!((end.unwrap(), pipe.holds()), (0, 0));
    }

    #[tokio::test]
    async fn a_pipe_with_something_in_it_is_not_used_again() {
        let (mut client, reader) = pair().await;
        client.write_all(b"secret").await.unwrap();
        let free = || FREE.with_borrow(Vec::len);
        let before = free();
        let mut pipe = Pipe::take().unwrap();
        poll_fn(|context| pipe.poll_fill(&reader, context))
            .await
            .unwrap();
        drop(pipe);
        assert_eq!(free(), before.saturating_sub(1));
        drop(Pipe::take());
        assert_eq!(free(), before.max(1));
    }

    #[test]
    fn a_thread_has_few_of_them() {
        let many: Vec<_> = (0..2 * MAX_PIPES).filter_map(|_| Pipe::take()).collect();
        assert_eq!(many.len(), MAX_PIPES);
        drop(many);
        assert_eq!(FREE.with_borrow(Vec::len), MAX_FREE_PIPES);
        assert!(Pipe::take().is_some());
    }
}
