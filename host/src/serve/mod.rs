//! A service: bodies that arrive over a network, judged in the order in which they came.
//!
//! In: bodies of requests, from whoever listens (`http`, with the feature of that name). Out: of each what was
//! decided of it, once its alerts are written and the state is committed; its alerts too, if they were asked for. The
//! loop is that of `run`: a body is a source. Nothing here decides.
//!
//! | what | module |
//! | --- | --- |
//! | what is told of each body | [`ledger`] |
//! | alerts on their way to the output and to whoever asked for them | [`sink`] |
//! | counts and notices, of all and of each body | [`observer`] |
//! | bodies on their way to the loop | [`queue`] |
//! | bodies that may have too many events | [`counter`] |
//! | HTTP | `http` |

pub mod counter;
#[cfg(feature = "http")]
pub mod http;
pub mod ledger;
pub mod observer;
pub mod queue;
pub mod sink;
