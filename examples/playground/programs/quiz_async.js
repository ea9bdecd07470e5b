// Quiz: async functions, promises, and a timer
async function one() {
  console.log('one: start');
  await two();
  console.log('one: after await');
}

async function two() {
  console.log('two');
}

console.log('script start');
setTimeout(() => console.log('timeout'), 0);
one();
new Promise((resolve) => {
  console.log('promise: executor');
  resolve();
}).then(() => console.log('then 1')).then(() => console.log('then 2'));
console.log('script end');
