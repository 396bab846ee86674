//! async-openai, told what to do by a JSON object a line.

use crate::say;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::{
    ChatCompletionRequestUserMessage, ChatCompletionStreamOptions, CreateChatCompletionRequestArgs,
};
use async_openai::Client;
use futures::StreamExt;
use serde_json::{json, Value};
use tokio::io::{stdin, AsyncBufReadExt, BufReader};

const MODEL: &str = "scripted";

pub async fn serve(hub: &str) {
    let key = std::env::var("HUB_TOKEN").unwrap_or_else(|_| "no key is asked".into());
    let config = OpenAIConfig::new()
        .with_api_base(format!("{hub}/v1"))
        .with_api_key(key)
        .with_header("Hubbub-Cancel-On-Disconnect", "1")
        .expect("a header");
    let client = Client::with_config(config);
    let mut lines = BufReader::new(stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let order: Value = serde_json::from_str(&line).expect("an order");
        let prompt = order["prompt"].as_str().unwrap_or_default();
        if let Err(error) = ask(&client, prompt, order["do"] == "leave").await {
            say(failure(&error));
        }
        say(json!({"done": true}));
    }
}

/// Asks, and says each piece; leaves after the first one where that is enough.
async fn ask(client: &Client<OpenAIConfig>, prompt: &str, leave: bool) -> Result<(), OpenAIError> {
    let message = ChatCompletionRequestUserMessage::from(prompt);
    let request = CreateChatCompletionRequestArgs::default()
        .model(MODEL)
        .messages([message.into()])
        .stream_options(ChatCompletionStreamOptions {
            include_usage: Some(true),
            include_obfuscation: None,
        })
        .build()?;
    let mut stream = client.chat().create_stream(request).await?;
    let mut calls: Vec<(String, String)> = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if let Some(usage) = chunk.usage {
            say(json!({"usage": [usage.prompt_tokens, usage.completion_tokens]}));
        }
        for choice in chunk.choices {
            for piece in choice.delta.tool_calls.unwrap_or_default() {
                let at = piece.index as usize;
                if calls.len() <= at {
                    calls.resize(at + 1, Default::default());
                }
                if let Some(function) = piece.function {
                    calls[at].0 += &function.name.unwrap_or_default();
                    calls[at].1 += &function.arguments.unwrap_or_default();
                }
            }
            if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
                say(json!({"text": text}));
                if leave {
                    return Ok(());
                }
            }
        }
    }
    for (name, arguments) in calls {
        let arguments: Value = serde_json::from_str(&arguments).unwrap_or(Value::Null);
        say(json!({"tool": name, "arguments": arguments}));
    }
    Ok(())
}

fn failure(error: &OpenAIError) -> Value {
    let mut found = json!({"error": "error", "words": error.to_string()});
    if let OpenAIError::ApiError(answer) = error {
        found["status"] = answer.status_code.as_u16().into();
        found["code"] = json!(answer.api_error.code);
        found["param"] = json!(answer.api_error.param);
    }
    found
}
