// What is used of @mlc-ai/web-xgrammar.
export interface CompiledGrammar {
  dispose(): void;
}
export interface GrammarCompiler {
  compileGrammar(grammar: string): Promise<CompiledGrammar>;
}
export interface GrammarMatcher {
  acceptToken(id: number): boolean;
  getNextTokenBitmask(): Promise<Int32Array<ArrayBuffer>>;
  dispose(): void;
}
export interface XGrammar {
  TokenizerInfo: {
    createTokenizerInfo(
      vocabulary: string[],
      kind: "raw",
      prependSpace: boolean,
      vocabSize: number,
      stopTokenIds: number[],
    ): Promise<object>;
  };
  GrammarCompiler: { createGrammarCompiler(tokens: object, keeps: boolean): Promise<GrammarCompiler> };
  GrammarMatcher: { createGrammarMatcher(compiled: CompiledGrammar): Promise<GrammarMatcher> };
}
