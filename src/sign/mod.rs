//! Signatures: pure functions from a request and a key to the header that proves it.
//!
//! The crate's own calls are signed here, and so can be those of any client that takes neither our chain nor our
//! calls: see [`acs3`]; [`oss4`] for Object Storage; and, for gateways that know no other, [`rpc_v1`].

pub mod acs3;
pub mod oss4;
pub mod rpc_v1;

pub use crate::encode::percent_encode;
