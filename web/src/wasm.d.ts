/** What is bundled as a file, and stands for its address. */
declare module '*?url' {
  const address: string
  export default address
}
