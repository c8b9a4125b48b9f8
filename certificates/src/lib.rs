//! Certificates of a node: whom they name, where they are read, how they change.
//!
//! * [`files`]: PEM files to [`Credentials`]; errors name the file.
//! * [`credentials`]: what was read at one moment, to rustls configurations.
//! * [`reloading`]: a configuration that follows its files while it is in use.
//! * [`handshake`]: why one failed, in words, and what mends it.
//! * [`mod@subject`]: who a certificate says its holder is, and as what.
//! * [`expiry`]: until when a certificate is valid.
//!
//! No sockets here: the doors and the transport between nodes have those.

pub mod credentials;
pub mod expiry;
pub mod files;
pub mod handshake;
pub mod reloading;
pub mod subject;

mod x509;

#[cfg(test)]
mod hostile;

pub use credentials::{Clients, Credentials};
pub use expiry::Expiry;
pub use files::{CertificateError, Files};
pub use reloading::Reloading;
pub use subject::{Subject, subject};
pub use x509::Unreadable;
