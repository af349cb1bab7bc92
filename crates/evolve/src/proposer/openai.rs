//! Any endpoint that speaks the chat-completions dialect of OpenAI.

use super::{Completion, Proposer, ProposerError, Request, Usage};
use crate::answer::LIMIT;
use serde::Deserialize;
use serde_json::json;
use std::time::{Duration, Instant};

/// Asks a language model.
///
/// An answer that the endpoint could not give (status 408, 409, 429 or 5xx, a broken connection)
/// is asked for again after a pause that doubles, or that the endpoint names; other statuses end
/// the campaign, because they will not go away: a wrong key, no such model.
#[derive(Clone)]
pub struct OpenAi {
    /// What comes before `/chat/completions`, e.g. `http://127.0.0.1:8000/v1`.
    pub base_url: String,
    /// The model's name.
    pub model: String,
    /// The key, if the endpoint wants one. Never printed.
    pub key: Option<String>,
    /// Sampling temperature.
    pub temperature: f64,
    /// The most tokens of an answer.
    pub max_tokens: u32,
    /// How long one answer may take, retries included.
    pub patience: Duration,
    /// How often to ask at most.
    pub tries: u32,
    /// The first pause between two tries.
    pub pause: Duration,
    /// Tokens paid for so far.
    pub spent: Usage,
    /// No more is asked once this many tokens are spent.
    pub budget: Option<u64>,
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAi")
            .field("base_url", &self.base_url)
            .field("model", &self.model)
            .field("spent", &self.spent)
            .finish_non_exhaustive()
    }
}

impl OpenAi {
    /// A proposer with a temperature of 0.8, 16,384 tokens, ten minutes, four tries, no budget.
    pub fn new(base_url: &str, model: &str, key: Option<String>) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            model: model.to_owned(),
            key,
            temperature: 0.8,
            max_tokens: 16_384,
            patience: Duration::from_secs(600),
            tries: 4,
            pause: Duration::from_secs(1),
            spent: Usage::default(),
            budget: None,
        }
    }
}

#[derive(Deserialize)]
struct Reply {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// What one try gave.
enum Try {
    Done(Completion),
    Again { why: String, after: Option<Duration> },
    Never(ProposerError),
}

impl OpenAi {
    fn ask(&self, body: &str, left: Duration) -> Try {
        let again = |why: String| Try::Again { why, after: None };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(left))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let mut post = agent
            .post(format!("{}/chat/completions", self.base_url))
            .header("Content-Type", "application/json");
        if let Some(key) = &self.key {
            post = post.header("Authorization", format!("Bearer {key}"));
        }
        let mut response = match post.send(body) {
            Ok(response) => response,
            Err(error @ (ureq::Error::BadUri(_) | ureq::Error::Tls(_))) => {
                return Try::Never(ProposerError::Fatal(error.to_string()));
            }
            Err(error) => return again(error.to_string()),
        };
        let status = response.status().as_u16();
        let pause = response.headers().get("retry-after");
        let after = pause.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let text = response.body_mut().with_config().limit(4 * LIMIT as u64).read_to_string();
        let text = match text {
            Ok(text) => text,
            Err(error) => return again(error.to_string()),
        };
        if matches!(status, 408 | 409 | 429 | 500..) {
            let after = after.map(Duration::from_secs);
            return Try::Again { why: format!("status {status}: {}", head(&text)), after };
        }
        if status != 200 {
            let why = format!("status {status}: {}", head(&text));
            return Try::Never(ProposerError::Fatal(why));
        }
        let reply: Reply = match serde_json::from_str(&text) {
            Ok(reply) => reply,
            Err(error) => return again(format!("the reply is no chat completion: {error}")),
        };
        let usage = reply.usage.map_or(Usage::default(), |tokens| Usage {
            prompt: tokens.prompt_tokens,
            completion: tokens.completion_tokens,
        });
        match reply.choices.into_iter().next().and_then(|choice| choice.message.content) {
            Some(text) => Try::Done(Completion { text, usage }),
            None => again("the reply has no content".to_owned()),
        }
    }
}

/// The beginning of a text, for messages.
fn head(text: &str) -> String {
    text.chars().take(200).collect()
}

impl Proposer for OpenAi {
    fn name(&self) -> String {
        format!("openai:{}", self.model)
    }

    fn writes_code(&self) -> bool {
        true
    }

    fn propose(&mut self, request: &Request<'_>) -> Result<Completion, ProposerError> {
        if self.budget.is_some_and(|most| self.spent.prompt + self.spent.completion >= most) {
            return Err(ProposerError::Fatal("the token budget is spent".to_owned()));
        }
        let body = json!({
            "model": self.model,
            "messages": [{"role": "user", "content": request.prompt}],
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            // Endpoints that know a seed repeat themselves; others ignore it.
            "seed": request.stream.word(0) >> 33,
        })
        .to_string();
        let start = Instant::now();
        let mut pause = self.pause;
        let mut last = String::new();
        for number in 0..self.tries.max(1) {
            let left = self.patience.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(ProposerError::Timeout(self.patience));
            }
            match self.ask(&body, left) {
                Try::Done(completion) => {
                    self.spent += completion.usage;
                    return Ok(completion);
                }
                Try::Never(error) => return Err(error),
                Try::Again { why, after } => {
                    last = why;
                    if number + 1 < self.tries {
                        let left = self.patience.saturating_sub(start.elapsed());
                        std::thread::sleep(after.unwrap_or(pause).min(left));
                        pause *= 2;
                    }
                }
            }
        }
        if start.elapsed() >= self.patience {
            return Err(ProposerError::Timeout(self.patience));
        }
        Err(ProposerError::Unusable(format!("{} tries, last: {last}", self.tries)))
    }
}
