// Promise jobs run before timers
console.log('Script start');
setTimeout(() => console.log('setTimeout'), 0);
new Promise((resolve) => resolve('Promise 1 resolved')).then((text) => console.log(text));
new Promise((resolve) => resolve('Promise 2 resolved')).then((text) => {
  console.log(text);
  return new Promise((resolve) => resolve('Promise 3 resolved'));
}).then((text) => console.log(text));
console.log('Script End');
