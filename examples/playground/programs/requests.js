// Quick requests pass slow ones
const REQUESTS = ['slow', 'quick', 'slow', 'quick', 'slow', 'quick'];

// A server that passes slow work to a pool: the loop continues meanwhile.
const pool = (job) => new Promise((resolve) => setTimeout(resolve, 50, job));
async function server(request) {
  return request === 'slow' ? pool(request) : request;
}

const answers = [];
async function ask(request) {
  const answer = await server(request);
  answers.push(answer);
  console.log(`answer ${answers.length}: ${answer}`);
}

console.log(`asked, all at once: ${REQUESTS.join(', ')}`);
Promise.all(REQUESTS.map(ask)).then(() => console.log('all are answered'));
