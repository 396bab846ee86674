//! Clients in Rust as processes: `NAME HUB GENERATION` listens, `NAME HUB FACE` asks as its input
//! says.

mod asker;
mod stream;

use serde_json::Value;

pub fn say(told: Value) {
    println!("{told}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (name, hub, third) = (&arguments[1], &arguments[2], &arguments[3]);
    match name.as_str() {
        "reqwest-eventsource" => stream::listen(hub, third).await,
        "async-openai" => asker::serve(hub).await,
        _ => panic!("there is no client {name}"),
    }
}
