//! Limits as a client meets them.

use rillcast_edge::control::orders::order::{Limits, Rates};
use rillcast_http::LineFormat;

use crate::{
    house::{House, claims, wait_until},
    world::fresh,
};

fn house(token: Rates, client: Rates) -> House {
    let house = House::new(LineFormat::Text, |_| fresh(60, b"film"));
    house.limits.set([Limits { environment: None, token, client }]);
    house
}

/// So many at a stretch, and then one in an age of tests.
fn burst(burst: u32) -> Rates {
    Rates { requests_per_s: Some(1), burst: Some(burst), concurrent: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_answered_429_with_a_time_to_come_back_and_a_word_for_pages() {
    let house = house(burst(1), Rates::default());
    let path = format!("/t/{}/vod/film", house.token(&claims(&["/vod/"])));
    let page = [("Origin", "https://player.example")];
    let answers: Vec<_> = (0..50).map(|_| house.get(&path, &page)).collect();
    assert_eq!(answers[0].status, 200);
    let refused = answers.iter().find(|answer| answer.status == 429).expect("fifty in a second");
    let head = refused.head.to_lowercase();
    for field in [
        "retry-after: 1",
        "cache-control: no-store",
        "access-control-allow-origin: *",
        "application/problem+json",
    ] {
        assert!(head.contains(field), "{field}: {head}");
    }
    assert!(refused.body.contains("/problems/too_many_requests"), "{}", refused.body);
    assert!(house.figure("rillcast_edge_limited_total{code=\"too_many_requests\",whose=\"token\"}") > 0);
    assert!(house.lines(2).iter().any(|line| line.contains("too_many_requests")));
    house.close(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_counts_until_it_has_ended_and_no_longer() {
    let once = Rates { concurrent: Some(1), ..Rates::default() };
    let house = house(once, once);
    let path = format!("/t/{}/vod/film", house.token(&claims(&["/vod/"])));
    for _ in 0..5 {
        // The client may see the end before the server does.
        wait_until("the one before to have ended", || house.get(&path, &[]).status == 200);
    }
    house.close(0).await;
}
