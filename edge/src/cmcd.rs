//! What players say of themselves (CTA-5004), from the query or from headers.
