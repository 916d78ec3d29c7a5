//! TLS that no client speaks. tlsfuzzer, which knows more of it, is in no package index.
