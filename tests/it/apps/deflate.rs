//! The package websockets on both sides, who agree to compress: nobody between them may know.

use serde_json::json;

use super::terminator::Terminator;
use crate::support::{Process, repository};

#[tokio::test]
#[ignore = "needs nginx and Python"]
async fn compression_is_between_the_client_and_the_application() {
    let mut server = Process::python("apps/deflate_server.py", &[]);
    let upstream = server.listening().await;
    let ca = repository("certs/ca.pem").display().to_string();
    for terminator in Terminator::both(&upstream).await {
        let url = terminator.url().replace("https", "wss");
        let client = Process::python("apps/deflate_client.py", &[&url, &ca]).result().await;
        let extensions = ["permessage-deflate"];
        let expected = json!({ "extensions": extensions, "wire": ["less", "all"] });
        assert_eq!(client, expected, "{}", terminator.name);
        assert_eq!(server.line().await, json!({ "extensions": extensions }), "{}", terminator.name);
    }
}
