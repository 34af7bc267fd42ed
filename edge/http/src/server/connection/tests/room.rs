//! Room: what a connection takes of memory while its request waits.

use super::*;

/// The most that the future of a connection may be; its protocol's state is in a box of its own.
const FUTURE_BYTES_MAX: usize = 2048;

#[tokio::test]
async fn a_connection_keeps_no_room_for_what_it_does_not_do() {
    let stage = Stage::new(Way::ZeroCopy, 1, Limits::default());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let _far = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    let connection = Connection {
        peer,
        core: Rc::clone(&stage.core),
        courier: stage.courier.clone(),
        rules: Rc::clone(&stage.rules),
        drain: stage.drain.clone(),
        open: stage.connections.open().unwrap(),
    };
    let bytes = size_of_val(&connection.serve(stream));
    assert!(bytes <= FUTURE_BYTES_MAX, "{bytes} bytes: box what is large and short");
}
