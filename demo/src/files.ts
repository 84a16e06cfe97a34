/** Ask for a file beside the page. */
export async function fetchFile(file: string, options?: RequestInit): Promise<Response> {
  const answer = await fetch(file, options).catch(() => null);
  if (!answer) throw new Error(`cannot load ${file}: the server does not answer`);
  if (answer.ok) return answer;
  const { status, statusText } = answer; // a new build has other files
  throw new Error(`cannot load ${file}: ${status} ${statusText}; reload the page`);
}
