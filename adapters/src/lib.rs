//! Plugs the [`alibabacloud_credentials`] chain into other crates' clients for Alibaba Cloud, a feature each.
//!
//! | feature | client | adapter |
//! |---|---|---|
//! | `imm` | alibabacloud-imm 0.1 | `ImmCredentials` |
//! | `ossify` | ossify 0.4 | `OssifyCredentials` |
//! | `reqwest-middleware` | any HTTP API, through reqwest-middleware 0.5 | `SigningMiddleware` |
//! | `tower` | any HTTP API, through tower's services (hyper-util's client) | `SigningLayer` |

#[cfg(any(feature = "imm", feature = "ossify"))]
mod dead_token;
#[cfg(feature = "imm")]
mod imm;
#[cfg(feature = "ossify")]
mod ossify;
#[cfg(feature = "_peek")]
mod peek;
#[cfg(feature = "reqwest-middleware")]
mod reqwest_middleware;
#[cfg(any(feature = "imm", feature = "ossify"))]
mod same_trait;
#[cfg(feature = "tower")]
mod tower;

#[cfg(feature = "imm")]
pub use imm::ImmCredentials;
#[cfg(feature = "ossify")]
pub use ossify::OssifyCredentials;
#[cfg(feature = "_peek")]
pub use peek::Peeked;
#[cfg(feature = "reqwest-middleware")]
pub use reqwest_middleware::SigningMiddleware;
#[cfg(feature = "tower")]
pub use tower::{SigningLayer, SigningService};
