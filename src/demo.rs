//! placeholder
#![allow(missing_docs)]
pub struct Upstream;
impl Upstream {
    pub async fn bind() -> anyhow::Result<Self> {
        Ok(Self)
    }
    pub fn local_addr(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }
    pub async fn run(self) {
        std::future::pending().await
    }
}
