// Quiz: a promise that is returned costs three jobs
const count = (name, jobs) => {
  let promise = Promise.resolve();
  for (let at = 1; at <= jobs; at += 1) promise = promise.then(() => console.log(`${name} ${at}`));
};

(async () => 'a value')().then((text) => console.log(text));
(async () => Promise.resolve('a returned promise'))().then((text) => console.log(text));
(async () => await Promise.resolve('an awaited promise'))().then((text) => console.log(text));
count('job', 5);
