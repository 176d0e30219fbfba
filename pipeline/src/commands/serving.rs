//! The query API and the metrics of a process, on a runtime of their own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sightline_console::{Ask, Group, ListenOptions, Listener};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::observe::http::Reach;
use crate::observe::{Health, Metrics, http};

/// What is served; ends with [`Serving::stop`].
pub struct Serving {
    runtime: tokio::runtime::Runtime,
    quit: watch::Sender<()>,
    api: Option<JoinHandle<Result<(), sightline_console::Error>>>,
    observed: Option<JoinHandle<std::io::Result<()>>>,
}

impl Serving {
    /// Begins to serve: the API where somebody answers, `/metrics`, `/live` and `/ready` where wanted.
    ///
    /// # Errors
    /// When the socket or the address cannot be had.
    pub fn start(
        config: &Config,
        ask: Option<Arc<dyn Ask>>,
        metrics: &Arc<Metrics>,
        health: &Arc<Health>,
    ) -> Result<Self> {
        let metrics_listener = config
            .observe
            .listen
            .map(|address| http::bind(address, Reach::Loopback))
            .transpose()?;
        let (quit, quitting) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("api")
            .enable_all()
            .build()?;
        let api = match ask {
            None => None,
            Some(ask) => {
                let listener = Listener::bind(&ListenOptions {
                    group: config
                        .api
                        .socket_group
                        .as_deref()
                        .map(Group::by_name)
                        .transpose()?,
                    ..ListenOptions::new(config.socket_path())
                })?;
                Some(runtime.spawn(sightline_console::serve_with(
                    listener,
                    ask,
                    metrics.clone(),
                    sightline_console::Limits::default(),
                    until_closed(quitting.clone()),
                )))
            }
        };
        let observed = metrics_listener.map(|listener| {
            let quitting = until_closed(quitting.clone());
            runtime.spawn(http::serve(listener, health.clone(), quitting))
        });
        Ok(Self {
            runtime,
            quit,
            api,
            observed,
        })
    }

    /// Ends what is served, after the answers under way.
    ///
    /// # Errors
    /// What went wrong while serving.
    pub fn stop(self) -> Result<()> {
        drop(self.quit);
        let served = self.runtime.block_on(async {
            if let Some(api) = self.api {
                api.await
                    .context("the query API panicked; this is a bug")??;
            }
            if let Some(observed) = self.observed {
                observed
                    .await
                    .context("the metrics server panicked; this is a bug")??;
            }
            anyhow::Ok(())
        });
        self.runtime.shutdown_timeout(Duration::from_secs(5));
        served
    }
}

async fn until_closed(mut quitting: watch::Receiver<()>) {
    // The sender never sends: the only change is that it is gone.
    while quitting.changed().await.is_ok() {}
}
