//! Who may ask, for what and how often: before anything is looked up.
//!
//! - [`private_paths`]: which paths need a token. [`authorize`]: the token of a request against its path.
//! - [`geo`]: where an address is. [`territory`]: which countries may see what. [`protect`]: how much one party may ask.

pub mod authorize;
pub mod geo;
pub mod private_paths;
pub mod protect;
pub mod territory;
