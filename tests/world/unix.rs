//! Unix domain sockets, which a world does not have.

use nodeloop::net::{UnixListener, UnixStream};
use nodeloop::test::World;

use crate::common::limit::limit;

#[test]
fn unix_domain_sockets_are_refused_with_advice() {
    let _limit = limit();
    let text = World::builder().event_loop().block_on(async {
        let path = "/nodeloop-test-of-a-world";
        let refused: [std::io::Error; 3] = [
            UnixListener::bind(path).unwrap_err(),
            UnixStream::connect(path).await.unwrap_err(),
            UnixStream::pair().unwrap_err(),
        ];
        refused.map(|error| error.to_string())
    });
    let expected = "a simulated world has no Unix domain sockets: use TCP, or test this part outside of the world";
    assert_eq!(text.unwrap(), [expected; 3]);
}
