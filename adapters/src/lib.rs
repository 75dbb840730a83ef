//! Plugs the [`alibabacloud_credentials`] chain into other crates' clients for Alibaba Cloud, a feature each.
//!
//! | feature | client | adapter |
//! |---|---|---|
//! | `imm` | alibabacloud-imm 0.1 | `ImmCredentials` |
//! | `ossify` | ossify 0.4 | `OssifyCredentials` |
//! | `reqsign` | reqsign-aliyun-oss 3.2 | `ReqsignCredentials` |
//! | `aliyun-log` | aliyun-log-rust-sdk 0.3 | `AliyunLogCredentials` |
//! | `opendal` | OpenDAL 0.59, its OSS service | `oss_operator` |
//! | `reqwest-middleware` | any HTTP API, through reqwest-middleware 0.5 | `SigningMiddleware` |
//! | `tower` | any HTTP API, through tower's services (hyper-util's client) | `SigningLayer` |
//!
//! Hand each over directly, never within that client's own cache: the chain has one already, which renews ahead of the end,
//! off the callers' path, and whose failures nobody sees while the session is valid. Each page says what an adapter costs
//! per request, how the expiry is passed on, what the client keeps on top, and what becomes of a session that died early.
//!
//! The clients come without their default features, so no TLS library with them: switch on the client's own feature for
//! one in your `Cargo.toml`. A client on reqwest 0.13 that is built without any panics for want of a process-wide
//! `CryptoProvider`, since the chain's own HTTP client has reqwest built with `rustls-no-provider`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "aliyun-log")]
mod aliyun_log;
#[cfg(any(feature = "imm", feature = "ossify"))]
mod credentials_provider;
#[cfg(feature = "imm")]
mod imm;
#[cfg(feature = "opendal")]
mod opendal;
#[cfg(feature = "ossify")]
mod ossify;
#[cfg(feature = "_peek")]
mod peeked_body;
#[cfg(feature = "reqsign")]
mod reqsign;
#[cfg(feature = "reqwest-middleware")]
mod reqwest_middleware;
#[cfg(feature = "tower")]
mod tower;

#[cfg(feature = "aliyun-log")]
pub use aliyun_log::AliyunLogCredentials;
#[cfg(feature = "imm")]
pub use imm::ImmCredentials;
#[cfg(feature = "opendal")]
pub use opendal::oss_operator;
#[cfg(feature = "ossify")]
pub use ossify::OssifyCredentials;
#[cfg(feature = "_peek")]
pub use peeked_body::Peeked;
#[cfg(feature = "reqsign")]
pub use reqsign::ReqsignCredentials;
#[cfg(feature = "reqwest-middleware")]
pub use reqwest_middleware::SigningMiddleware;
#[cfg(feature = "tower")]
pub use tower::{SigningLayer, SigningService};
