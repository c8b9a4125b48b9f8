//! Certificates of a node: whom they name, where they are read, how they change.
//!
//! * [`files`]: PEM files to rustls configurations; errors name the file.
//! * [`reloading`]: a configuration that follows its files while it is in use.
//! * [`mod@subject`]: who a certificate says its holder is, and as what.
//!
//! No sockets here: the doors and the transport between nodes have those.

pub mod files;
pub mod reloading;
pub mod subject;

pub use files::{CertificateError, Clients, Files};
pub use reloading::Reloading;
pub use subject::{Subject, subject};
