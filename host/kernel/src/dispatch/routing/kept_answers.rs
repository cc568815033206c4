//! Answers that are kept while the turns that asked are open: see [`KeptAnswers`](crate::dispatch::kept_answers::KeptAnswers).

use crate::dispatch::kept_answers::{SOURCE, answer_of, position_of};
use crate::dispatch::open_question::OpenQuestion;
use crate::dispatch::routing::Routing;
use crate::dispatch::routing::output::Output;
use crate::journal::order::Draft;
use crate::words::message::ReplyToken;
use crate::words::send_error::{AskError, FullAnswer};

impl Routing {
    /// Keeps the answer to a question of a stored actor that waits, as a part of the entry of the turn that gave it.
    pub(crate) fn keep_answer(&self, draft: &mut Draft<Output>, token: ReplyToken, answer: &FullAnswer) {
        if let Some(question) = self.asks.waiting_question(token) {
            self.kept_answers.keep(draft, &question, answer);
        }
    }

    /// Ends the turn of a message that was a question, as a part of its entry: what it asked is not asked again.
    pub(crate) fn end_asked_turn(&self, draft: &mut Draft<Output>, token: ReplyToken) {
        if let Some(question) = self.asks.question(token) {
            self.kept_answers.end_turn_of(draft, &question);
        }
    }

    /// The answer to a question that was handled before; none when it is to be handled.
    pub(crate) async fn kept_answer(&self, question: &OpenQuestion) -> Option<FullAnswer> {
        let entry = self.kept_answers.entry_of(question)?;
        let position = position_of((question.root, question.id));
        let read = async {
            self.journal.as_ref()?.durable(entry).await.ok()?;
            let origins = self.store().ok()?.origins(SOURCE, &position, 1).await;
            origins.map_err(|error| self.store_read_failed(error)).ok()
        };
        // Without its store, the play ends.
        let Some(found) = read.await else { return Some(Err(AskError::Stopped)) };
        answer_of(&found.first().filter(|origin| origin.position == position)?.value)
    }
}
