//! A chat room over WebSocket, and the page to try it in a browser.
//!
//! - Config: none.
//! - As the plugin of a WebSocket route, one handler for each connection: a line of a visitor goes to all connections. The
//!   first line of a visitor is the visitor's name.
//! - As an actor behind the route `/`: answers each request with the page.

use playhouse_sdk::{Actor, Context, Message, Result, export_actor};

const PAGE: &str = include_str!("page.html");

/// The longest name, in characters.
const MOST_CHARACTERS: usize = 40;

/// All connections of the gateway `chat`.
const EVERYBODY: &str = "/gate/chat/*";

#[derive(Default)]
struct Chat {
    name: Option<String>,
}

impl Actor for Chat {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        if msg.metadata().get("path") == Some("/") {
            ctx.with_metadata("content-type", "text/html; charset=utf-8").reply(PAGE)?;
            return Ok(());
        }
        let line = msg.text()?.trim();
        match &self.name {
            _ if line.is_empty() => {}
            Some(name) => drop(ctx.tell_all(EVERYBODY, format!("{name}: {line}"))?),
            None => {
                let name: String = line.chars().take(MOST_CHARACTERS).collect();
                ctx.tell_all(EVERYBODY, format!("{name} came"))?;
                self.name = Some(name);
            }
        }
        Ok(())
    }

    fn shutdown(&mut self, ctx: &mut Context) -> Result {
        if let Some(name) = &self.name {
            ctx.tell_all(EVERYBODY, format!("{name} left"))?;
        }
        Ok(())
    }
}

export_actor!(Chat);

#[cfg(test)]
mod tests {
    use playhouse_sdk::ActorState;
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[test]
    fn first_line_names_the_visitor() -> Result {
        let setup = ActorHarness::<Chat>::setup().address("/gate/chat/1/handler");
        let mut chat = setup.actor("/gate/chat", ActorState::Idle).actor("/gate/chat/2", ActorState::Idle).start()?;
        chat.tell("ann\n")?;
        chat.tell("")?;
        chat.tell("hello")?;
        chat.shutdown()?;
        let other = "/gate/chat/2";
        assert_eq!(chat.sent(), [(other, "ann came"), (other, "ann: hello"), (other, "ann left")]);
        Ok(())
    }

    #[test]
    fn request_for_the_page_is_answered() -> Result {
        let mut chat = ActorHarness::<Chat>::start()?;
        let reply = chat.ask_message(Message::new("").with("path", "/")).expect("a page");
        assert_eq!(reply.metadata.get("content-type"), Some("text/html; charset=utf-8"));
        Ok(())
    }
}
