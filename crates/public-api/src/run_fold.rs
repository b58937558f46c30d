//! From events to a result. The events are the record; the result is what they add up to, on the server and in any client.

use madang_model::{Outcome, RunEventBody, Step};

use crate::run::{Media, PartView};

/// A result while its events come in.
#[derive(Debug, Clone, Default)]
pub struct RunFold {
    pub started: bool,
    pub finished: bool,
    pub whole: PartView,
    pub build: Option<PartView>,
    pub outputs: Option<Vec<PartView>>,
    part: Part,
}

#[derive(Debug, Clone, Copy, Default)]
enum Part {
    #[default]
    Whole,
    Build,
    Output(usize),
}

impl RunFold {
    pub fn push(&mut self, event: &RunEventBody) {
        match event {
            RunEventBody::Started => self.started = true,
            RunEventBody::Stdout { data } => self.part().stdout.0.extend_from_slice(&data.0),
            RunEventBody::Stderr { data } => self.part().stderr.0.extend_from_slice(&data.0),
            RunEventBody::Media { mime, data } => {
                let media = Media { mime: mime.clone(), data: data.clone() };
                self.part().media.push(media);
            }
            RunEventBody::Usage { usage } => self.whole.usage = *usage,
            RunEventBody::Log { .. } | RunEventBody::WaitingInput { .. } => {}
            RunEventBody::StepStarted { step, input } => self.step_started(*step, *input),
            RunEventBody::StepFinished { outcome, .. } => {
                if !matches!(self.part, Part::Whole) {
                    end(self.part(), outcome);
                }
                self.part = Part::Whole;
            }
            RunEventBody::Finished { outcome } => {
                self.finished = true;
                end(&mut self.whole, outcome);
            }
        }
    }

    fn step_started(&mut self, step: Step, input: Option<u32>) {
        self.part = match (step, input) {
            (Step::Clean | Step::Build, _) => {
                self.build.get_or_insert_default();
                Part::Build
            }
            (Step::Exec, None) => Part::Whole,
            (Step::Exec, Some(_)) => {
                let outputs = self.outputs.get_or_insert_default();
                outputs.push(PartView::default());
                Part::Output(outputs.len() - 1)
            }
        };
    }

    fn part(&mut self) -> &mut PartView {
        match self.part {
            Part::Whole => &mut self.whole,
            Part::Build => self.build.get_or_insert_default(),
            Part::Output(index) => match self.outputs.as_mut().and_then(|outputs| outputs.get_mut(index)) {
                Some(output) => output,
                None => &mut self.whole,
            },
        }
    }
}

fn end(part: &mut PartView, outcome: &Outcome) {
    part.verdict = Some(outcome.verdict);
    part.exit_code = outcome.exit_code;
    part.signal = outcome.signal;
    part.usage = outcome.usage;
    part.detail.clone_from(&outcome.detail);
}

#[cfg(test)]
mod tests {
    use madang_model::{Blob, Usage, Verdict};

    use super::*;

    fn outcome(verdict: Verdict) -> Outcome {
        Outcome { verdict, exit_code: Some(0), signal: None, usage: Usage::default(), detail: None }
    }

    fn out(text: &str) -> RunEventBody {
        RunEventBody::Stdout { data: Blob::from(text) }
    }

    fn fold(events: &[RunEventBody]) -> RunFold {
        let mut fold = RunFold::default();
        events.iter().for_each(|event| fold.push(event));
        fold
    }

    #[test]
    fn build_and_inputs_stand_apart() {
        let exec = |input| RunEventBody::StepStarted { step: Step::Exec, input: Some(input) };
        let ended = |step, input| RunEventBody::StepFinished { step, input, outcome: outcome(Verdict::Ok) };
        let fold = fold(&[
            RunEventBody::Started,
            RunEventBody::StepStarted { step: Step::Build, input: None },
            out("warning\n"),
            ended(Step::Build, None),
            exec(0),
            out("a"),
            ended(Step::Exec, Some(0)),
            exec(1),
            out("b"),
            ended(Step::Exec, Some(1)),
            RunEventBody::Finished { outcome: outcome(Verdict::Ok) },
        ]);
        assert_eq!(fold.build.unwrap().stdout, Blob::from("warning\n"));
        let outputs: Vec<_> = fold.outputs.unwrap().into_iter().map(|part| part.stdout).collect();
        assert_eq!(outputs, [Blob::from("a"), Blob::from("b")]);
        assert_eq!(fold.whole.stdout, Blob::default());
        assert_eq!(fold.whole.verdict, Some(Verdict::Ok));
    }

    #[test]
    fn one_program_writes_to_the_whole() {
        let fold = fold(&[
            RunEventBody::Started,
            RunEventBody::StepStarted { step: Step::Exec, input: None },
            out("1\n"),
            RunEventBody::Finished { outcome: outcome(Verdict::NonzeroExit) },
        ]);
        assert_eq!(fold.whole.stdout, Blob::from("1\n"));
        assert!(fold.build.is_none() && fold.outputs.is_none() && fold.finished);
    }
}
