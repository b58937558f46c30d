/** The lines of an answer as they come, without those that are empty. */
export async function* lines(answer: Response): AsyncGenerator<string> {
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const whole = (rest + read.value).split('\n');
    rest = whole.pop() ?? '';
    for (const line of whole) if (line !== '') yield line;
  }
}
