//! Follows the file with the roots of the mesh, which is mounted from discovery's ConfigMap. The agent has no stream
//! of its own that would bring them.

use std::{sync::Arc, time::Duration};

use pillion_certs::Bundle;
use pillion_xds::client::Provider;
use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use crate::bounds::MAX_ROOTS;

/// How often the file is read. The kubelet writes it a minute after the ConfigMap.
const INTERVAL: Duration = Duration::from_secs(20);

/// Gives the roots to whoever trusts by them, for as long as somebody does. What can't be read changes nothing.
pub(super) fn follow(file: Provider) -> watch::Receiver<Option<Arc<Bundle>>> {
    let (sender, roots) = watch::channel(None);
    tokio::spawn(async move {
        let mut is_told = false;
        while !sender.is_closed() {
            let file = Arc::clone(&file);
            let read = spawn_blocking(move || read(&file)).await;
            match read.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(roots) => {
                    is_told = false;
                    sender.send_if_modified(|current: &mut Option<Arc<Bundle>>| {
                        let is_new = current.as_deref() != Some(&roots);
                        if is_new {
                            *current = Some(Arc::new(roots));
                        }
                        is_new
                    });
                }
                Err(error) if !is_told => {
                    is_told = true;
                    tracing::warn!(%error, "the file of the mesh's roots can't be read; those before stay in use");
                }
                Err(_) => {}
            }
            sleep(INTERVAL).await;
        }
    });
    roots
}

/// Reads them. A fault is for people.
fn read(file: &Provider) -> Result<Bundle, String> {
    let text = file().map_err(|error| error.to_string())?;
    let roots = Bundle::from_pem(&text).map_err(|error| error.to_string())?;
    match roots.len() {
        0 => Err("it has no certificates".to_owned()),
        1..=MAX_ROOTS => Ok(roots),
        count => Err(format!(
            "it has {count} certificates, more than {MAX_ROOTS}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use pillion_certs::Authority;
    use time::OffsetDateTime;

    use super::*;

    fn root() -> String {
        let now = OffsetDateTime::now_utc();
        let authority = Authority::generate("root", now, time::Duration::DAY).unwrap();
        Bundle::from_pem(authority.certificate()).unwrap().to_pem()
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_roots_stay_until_there_are_others() {
        let (first, second) = (root(), root());
        let text = Arc::new(Mutex::new(first.clone()));
        let newest = Arc::clone(&text);
        let mut roots = follow(Arc::new(move || Ok(newest.lock().unwrap().clone())));
        let held = |roots: &mut watch::Receiver<Option<Arc<Bundle>>>| {
            roots.borrow_and_update().as_ref().unwrap().to_pem()
        };
        roots.changed().await.unwrap();
        assert_eq!(held(&mut roots), first);
        "no certificate".clone_into(&mut text.lock().unwrap());
        sleep(INTERVAL * 3).await;
        assert!(!roots.has_changed().unwrap());
        second.clone_into(&mut text.lock().unwrap());
        roots.changed().await.unwrap();
        assert_eq!(held(&mut roots), second);
    }

    #[test]
    fn too_many_are_refused() {
        let many: String = (0..=MAX_ROOTS).map(|_| root()).collect();
        let file: Provider = Arc::new(move || Ok(many.clone()));
        assert!(read(&file).unwrap_err().contains("65 certificates"));
    }
}
