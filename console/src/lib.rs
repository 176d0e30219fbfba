//! The query API: whoever holds the store answers here, and everybody else asks here.
//!
//! HTTP/1.1 with JSON on a Unix socket, version 1; access is by the socket's group. The command line is a client of it,
//! and the control room will serve the same paths over HTTPS. `docs/api.md` shows every path with a real exchange.
//!
//! # Layout
//!
//! - [`wire`]: what goes over the socket
//! - [`time`]: points in time as RFC 3339
//! - [`question`]: a request whose every value was checked
//! - [`picture`]: pictures from strangers, bounded before they are decoded
//! - [`person`]: persons with every visit
//! - [`forget`]: what is to go, and what went
//! - [`site`]: what a site taught: ways, and people's words
//! - [`words`], [`clauses`](mod@clauses): a description, what the person does not have, and what can hold by itself
//! - [`encode`]: queries to vectors, one at a time
//! - [`encoders`]: the encoders of the field behind that
//! - [`ask`]: the contract of who answers
//! - [`store`]: the store of this process as the one who answers
//! - [`socket`]: the Unix socket, its group, and leftovers of the dead
//! - [`audit`]: who asked what kind of question
//! - `routes`: the paths
//! - [`serve`](mod@serve): the accept loop and its limits
//! - [`client`]: the asking side
//! - [`error`]: what can go wrong, and its HTTP status
//!
//! # Example
//!
//! ```no_run
//! use std::sync::Arc;
//! use sightline_console::{Ask, Client, ListenOptions, Listener, SearchRequest, serve};
//!
//! # async fn example(ask: Arc<dyn Ask>) -> Result<(), sightline_console::Error> {
//! let listener = Listener::bind(&ListenOptions::new("/var/lib/sightline/api.sock"))?;
//! let server = serve(listener, ask, async { std::future::pending().await });
//! # drop(server);
//!
//! let client = Client::connect("/var/lib/sightline/api.sock")?;
//! let request = SearchRequest { cameras: vec!["gate-2".into()], ..Default::default() };
//! for hit in client.search(&request).await?.hits {
//!     assert_eq!(hit.camera, "gate-2");
//! }
//! # Ok(())
//! # }
//! ```

pub mod ask;
pub mod audit;
pub mod clauses;
pub mod client;
pub mod encode;
pub mod encoders;
pub mod error;
pub mod forget;
pub mod person;
pub mod picture;
pub mod question;
mod routes;
mod sentence;
pub mod serve;
pub mod site;
pub mod socket;
pub mod store;
pub mod time;
pub mod wire;
pub mod words;

pub use ask::{Ask, PictureDigest};
pub use audit::{Audit, AuditEvent, LogAudit, Peer};
pub use client::Client;
pub use encode::{EncodeQuery, EncodeQueue, QueryVector};
pub use encoders::QueryEncoders;
pub use error::{Error, TEXT_NOT_INSTALLED};
pub use forget::{ForgetRequest, ForgetResponse};
pub use person::{PersonResponse, Visit};
pub use question::{By, Question, Window};
pub use routes::MAX_BODY_BYTES;
pub use serve::{Limits, serve, serve_with};
pub use site::{FeedbackPair, FeedbackRequest, FeedbackResponse, SiteResponse};
pub use socket::{Group, ListenOptions, Listener};
pub use store::{Store, StoreAsk, StoreCounts};
pub use time::UtcTime;
pub use wire::{
    CameraCoverage, CoverageRequest, CoverageResponse, ErrorResponse, Hit, Interval,
    NOT_CALIBRATED, PictureBytes, SearchRequest, SearchResponse, StatusResponse,
};
pub use words::Words;
