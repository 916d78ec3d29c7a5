//! What the machine runs out of, or gets wrong: descriptors, memory, room for the log, name servers, the
//! time of day. It serves on or refuses cleanly, and goes on by itself when that is over.

mod clock;
mod descriptors;
mod log;
mod memory;
mod names;
