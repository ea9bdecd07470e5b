// Two workers receive the connections in turn
const { EventEmitter } = require('node:events');

class Worker extends EventEmitter {
  constructor(number) {
    super();
    this.on('connection', (answer) => setTimeout(answer, 10, `worker ${number}`));
  }
}

const workers = [new Worker(1), new Worker(2)];
let next = 0;
function connect() {
  return new Promise((resolve) => {
    workers[next].emit('connection', resolve);
    next = (next + 1) % workers.length;
  });
}

async function main() {
  for (let question = 1; question <= 6; question += 1) {
    console.log(`question ${question}: ${await connect()}`);
  }
  console.log('all workers have ended');
}
main();
