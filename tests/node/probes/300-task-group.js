// Taking the next finished task out of a queue: tasks in the order in which they end, one turn
// each, from the end of the task or, if it had ended before, from the `await`.
const finished = [];
let wake = null;
const finish = (name) => { finished.push(name); wake?.(); wake = null; };
const joinNext = () => (finished.length > 0
  ? Promise.resolve(finished.shift())
  : new Promise((resolve) => { wake = () => resolve(finished.shift()); }));
const task = async (name, turns) => {
  console.log(`${name} begins`);
  for (let n = 0; n < turns; n += 1) await null;
  console.log(`${name} ends`);
  finish(name);
};

let ruler = Promise.resolve();
for (let n = 1; n <= 8; n += 1) ruler = ruler.then(() => console.log(n));
task('a', 5);
task('b', 2);
task('c', 2);
task('d', 0);
(async () => {
  for (let n = 0; n < 4; n += 1) console.log(`joined ${await joinNext()}`);
})();
console.log('main ends');
