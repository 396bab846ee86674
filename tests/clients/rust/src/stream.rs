//! reqwest-eventsource: tells the text as it comes, and how it knew the end.

use crate::say;
use futures::StreamExt;
use reqwest_eventsource::{Error, Event, EventSource};
use serde_json::{json, Value};

/// Comes back by itself after a cut; an answer that is no stream is an error, and its last.
pub async fn listen(hub: &str, generation: &str) {
    // Where the hub has keys.
    let shown = std::env::var("HUB_TOKEN").map_or(String::new(), |token| format!("?token={token}"));
    let mut events = EventSource::get(format!("{hub}/generations/{generation}/events{shown}"));
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Open) => {}
            Ok(Event::Message(message)) => {
                let told: Value = serde_json::from_str(&message.data).unwrap_or(Value::Null);
                match message.event.as_str() {
                    "snapshot" => say(json!({"whole": told["choices"][0]["content"]})),
                    "delta" => say(json!({"text": told["content"]})),
                    _ => {}
                }
            }
            Err(Error::InvalidStatusCode(status, _)) => {
                say(json!({"end": status.as_u16().to_string()}));
                events.close();
            }
            Err(Error::StreamEnded | Error::Transport(_)) => {}
            Err(error) => {
                say(json!({"end": error.to_string()}));
                events.close();
            }
        }
    }
}
