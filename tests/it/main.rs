//! Integration tests: one binary, one module a behaviour. Helpers stand in `support`.

mod certs;
mod layers;
mod smoke;
mod support;
