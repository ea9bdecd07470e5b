export const twice = (value) => value * 2;
export default function helper() {}
