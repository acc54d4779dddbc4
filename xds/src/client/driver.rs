//! A client and its application.

use std::{collections::VecDeque, pin::pin, sync::Arc};

use tokio::sync::mpsc;

use super::{
    event::{Event, Refusal},
    state::Client,
};

/// What the application tells its client.
#[derive(Debug)]
pub(super) enum Command {
    Subscribe(&'static str, Vec<Arc<str>>),
    Unsubscribe(&'static str, Vec<Arc<str>>),
    Answer(&'static str, String, Vec<Refusal>),
}

/// The application has gone.
#[derive(Debug)]
pub(super) struct Gone;

/// A client, and its application.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) client: Client,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<Event>,
    /// Events that the application has not made room for. No response is read meanwhile.
    pub(super) outbox: VecDeque<Event>,
}

impl Driver {
    /// Waits for something, and serves the application meanwhile.
    pub(super) async fn during<T>(&mut self, wait: impl Future<Output = T>) -> Result<T, Gone> {
        let mut wait = pin!(wait);
        loop {
            tokio::select! {
                value = &mut wait => return Ok(value),
                step = self.step() => step?,
            }
        }
    }

    /// Takes one command, or delivers one event. Can be dropped at any time.
    pub(super) async fn step(&mut self) -> Result<(), Gone> {
        let command = tokio::select! {
            command = self.commands.recv() => command.ok_or(Gone)?,
            permit = self.events.reserve(), if !self.outbox.is_empty() => {
                let permit = permit.map_err(|_| Gone)?;
                if let Some(event) = self.outbox.pop_front() {
                    permit.send(event);
                }
                return Ok(());
            }
            () = self.events.closed() => return Err(Gone),
        };
        self.obey(command);
        Ok(())
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Subscribe(type_url, names) => {
                if let Err((name, error)) = self.client.subscribe(type_url, names) {
                    self.outbox.push_back(Event::Refused {
                        type_url,
                        name,
                        error,
                    });
                }
            }
            Command::Unsubscribe(type_url, names) => self.client.unsubscribe(type_url, names),
            Command::Answer(type_url, nonce, refusals) => {
                self.client.nack(type_url, &nonce, &refusals);
            }
        }
    }
}
